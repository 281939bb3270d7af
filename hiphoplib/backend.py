"""Keras on TensorFlow, loaded without the messages of its start."""

import os

from .quiet import silent_stderr

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silent_stderr():
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for a GPU now, not in the middle of a notebook
import keras

tf.get_logger().setLevel("ERROR")  # a network a fold is no mistake, whatever "retracing" says

__all__ = ["keras", "tf"]
