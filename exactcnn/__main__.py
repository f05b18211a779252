"""`python -m exactcnn` is the command `exactcnn`."""

from exactcnn.cli import main

main()
