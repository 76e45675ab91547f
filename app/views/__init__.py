"""What is shown: pure functions from results to HTML, a module for each part of the page.

Whatever a person gave is escaped where it is written.
"""
