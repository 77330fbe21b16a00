"""TensorRT on NVIDIA GPUs: engines are built on the machine that runs them, cached and checked."""
