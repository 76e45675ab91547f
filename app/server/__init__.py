"""What stands between the network and the page: every request passes here before Gradio sees it."""
