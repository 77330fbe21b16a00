# The tracker on ROS 2 Jazzy; see docs/docker.md.
FROM ros:jazzy
WORKDIR /workspace

# Layers that seldom change come first: the packages that package.xml names.
COPY package.xml src/siammaskpp/
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rosdep update --rosdistro jazzy \
    && rosdep install --from-paths src --ignore-src --yes --rosdistro jazzy \
    && rm -rf /var/lib/apt/lists/*
# onnxruntime is not in rosdep. --no-deps keeps the NumPy of apt, for which the OpenCV of apt is built; the other
# dependencies are not needed at run time.
RUN pip install --break-system-packages --no-cache-dir --no-deps "onnxruntime>=1.15"

COPY . src/siammaskpp
RUN . /opt/ros/jazzy/setup.sh \
    && colcon build --cmake-args -DBUILD_TESTING=OFF \
    && rm -rf build log src

# The nodes need no rights of root. The base image has this user, with the id 1000; its home takes ROS's logs.
USER ubuntu

# The build fails when the network cannot be loaded or does not run.
RUN . install/setup.sh && python3 -c "import numpy; from siammaskpp_core.engines.load import load_tracker; \
load_tracker().init(numpy.zeros((480, 640, 3), numpy.uint8), (100, 100, 80, 80))"

# The signal of Ctrl-C: the nodes end by themselves.
STOPSIGNAL SIGINT
# The entry point of the base image sources /opt/ros/jazzy. The arguments of docker run go to the launch file.
ENTRYPOINT ["/ros_entrypoint.sh", "bash", "-c", \
    "source install/setup.bash && exec ros2 launch siammaskpp tracker.launch.py \"$@\"", "tracker"]
