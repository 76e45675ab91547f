"""What the photos of the demo gallery show."""

ANIMALS = {
    "dogs-in-a-window", "giant-panda", "goldfish", "koala-in-eucalyptus", "komodo-dragon", "lizard-on-leaves",
    "marsh-crocodile", "moose-with-antlers", "osprey-on-branch", "otters-by-the-water", "polar-bear-on-snow",
    "tabby-cat-face", "wren-on-rock",
}  # fmt: skip
