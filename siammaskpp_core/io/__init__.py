"""Images, videos, bags and results: everything that is read from files and messages or written to them."""
