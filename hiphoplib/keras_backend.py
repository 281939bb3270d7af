"""Load Keras on TensorFlow without the messages of its start, with memory that stays."""

import os

from hiphoplib.errors import BadInput
from hiphoplib.io import keep_memory, silent_stderr

KEEPS_MEMORY = keep_memory()  # before TensorFlow allocates

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silent_stderr():
    import tensorflow as tf

    # looks for a GPU now, not in the middle of a notebook
    HAS_GPU = bool(tf.config.list_physical_devices("GPU"))
import keras as keras  # noqa: E402 - TensorFlow before it, in silence

if keras.backend.backend() != "tensorflow":  # it was loaded before, and cannot change any more
    raise BadInput(
        f"Keras runs on {keras.backend.backend()} in this process; start another one, "
        "or set KERAS_BACKEND=tensorflow"
    )
# whatever the user's keras.json says
keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_dtype_policy("float32")

if KEEPS_MEMORY and not HAS_GPU:  # of a GPU the first operation takes all memory
    # On Python 3.11 the first dataset that reads from Python, as every training has one, has
    # TensorFlow set the C library's threshold to 128 kB, once in a process: let it do so now.
    for _ in tf.data.Dataset.from_generator(lambda: iter([0]), output_signature=tf.TensorSpec(())):
        pass
    keep_memory()

tf.get_logger().setLevel("ERROR")  # a network a fold is no mistake, whatever "retracing" says
