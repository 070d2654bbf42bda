"""Cameras' frames through RabbitMQ to any number of machines that look at them."""
