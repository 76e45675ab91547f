// A race is played again in the time that it took: nothing is computed.
Object.assign(ours, {
  replay: () => {
    for (const part of element.querySelectorAll(".lanes *"))
      for (const animation of part.getAnimations()) {
        animation.currentTime = 0;
        animation.play();
      }
  },
});
