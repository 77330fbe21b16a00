"""The web page on which targets are selected: server, access control and the page itself, without ROS."""
