"""An OpenCLIP model as stages that run one by one, with their costs."""
