"""The tracker node: camera images and requests for targets in, masks, boxes and track states out."""
