"""Run the notebooks, stage the pages and build the book. Nothing in the science modules imports this package."""
