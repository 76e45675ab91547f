// A race is played again in the time that it took: nothing is computed.
Object.assign(ours, {
  replay: () => {
    const lanes = element.querySelector(".lanes");
    lanes.classList.add("still");
    lanes.getBoundingClientRect(); // the browser sees them stand still
    lanes.classList.remove("still");
  },
});
