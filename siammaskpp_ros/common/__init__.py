"""Parts that several nodes share: main function, parameters, image messages, worker thread."""
