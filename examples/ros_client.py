"""Ask the tracker node to follow an object, and print its results.

ros2 run siammaskpp tracker_node --ros-args -r image:=/camera/image_raw
python examples/ros_client.py 306,122,110,262 --ros-args -r image:=/camera/image_raw

The box was drawn on the newest image; the request carries its header, so that tracking starts there.
"""

import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import Image

from siammaskpp.msg import Box, TrackedObject, TrackedObjectArray
from siammaskpp.srv import SetTarget

STATES = {
    TrackedObject.TRACKING: "TRACKING",
    TrackedObject.UNCERTAIN: "UNCERTAIN",
    TrackedObject.LOST: "LOST",
}


class Client(Node):
    """Sets one target and prints what the tracker publishes about it."""

    def __init__(self, box: Box) -> None:
        super().__init__("example_client")
        self.box, self.request = box, None
        self.set_target = self.create_client(SetTarget, "tracker_node/set_target")
        self.images = self.create_subscription(Image, "image", self.on_image, qos_profile_sensor_data)
        self.create_subscription(TrackedObjectArray, "tracker_node/tracked_objects", self.on_objects, 10)

    def on_image(self, image: Image) -> None:
        """Select the object in the first image that arrives while the tracker is there."""
        if self.request is None and self.set_target.service_is_ready():
            request = SetTarget.Request(id="example", header=image.header, box=self.box)
            self.request = self.set_target.call_async(request)
            self.request.add_done_callback(self.on_answer)

    def on_answer(self, answer: Future) -> None:
        """Print what the tracker says; after a refusal, try the next image."""
        print(answer.result().message, flush=True)
        if not answer.result().success:
            self.request = None

    def on_objects(self, results: TrackedObjectArray) -> None:
        """Print a line for each target."""
        for item in results.objects:
            text = f"{item.id}  {STATES[item.state]}  confidence {item.score:.2f}"
            if item.mask_value:  # 0 while the target is not seen
                text += f"  box {item.box.x:.0f},{item.box.y:.0f},{item.box.width:.0f},{item.box.height:.0f}"
            print(text, flush=True)


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    x, y, width, height = (float(number) for number in sys.argv[1].split(","))
    client = Client(Box(x=x, y=y, width=width, height=height))
    try:
        rclpy.spin(client)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        client.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
