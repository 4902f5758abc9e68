"""What happens: a folder a flow, and beside them what several flows share."""
