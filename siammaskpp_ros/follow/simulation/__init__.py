"""A simulated robot with a depth camera, and a walking person: node sim_robot."""
