"""Parts that several nodes share: main function, parameters, image messages, frame buffer, worker thread."""
