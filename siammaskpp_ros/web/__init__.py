"""The web page on which targets are selected: node web_selector."""
