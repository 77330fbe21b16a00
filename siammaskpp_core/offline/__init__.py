"""Track objects through recordings: videos, folders of images and ROS 2 bags; write data for other tools.

A :class:`~siammaskpp_core.offline.session.Session` follows the targets, :mod:`~siammaskpp_core.offline.run`
takes it through a recording, and the :mod:`~siammaskpp_core.offline.writers` receive every frame with its
results. Whoever reads frames from elsewhere, such as a web page, combines the same three.
"""
