"""Keras 3 on TensorFlow as its guides do it: fixed length, masking, Adam, `fit`.

Run by benchmarks/engine.py where keras and tensorflow-cpu are installed (extra `rivals`).
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import time

import keras
import numpy as np
import tensorflow as tf
from data import BATCH, EMBEDDING, EVERY, HIDDEN, LIMIT, UPDATES, answer, arguments


class Clock(keras.callbacks.Callback):
    """Stops the clock for every look at the validation part; ends after UPDATES."""

    def __init__(self, held: tuple, lengths: np.ndarray) -> None:
        super().__init__()
        self.held, self.mean = held, float(lengths.mean())
        self.done, self.seconds, self.curve = 0, 0.0, []

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if self.done == 1:  # the first update builds the graph: not counted
            self.seconds = 0.0
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.seconds += time.perf_counter() - self.began
        self.done += 1
        if self.done % EVERY == 0:
            logits = self.model.predict_on_batch(self.held[0])
            self.curve.append((self.seconds, float((logits.argmax(1) == self.held[1]).mean())))
        if self.done >= UPDATES:
            self.model.stop_training = True


def main() -> None:
    texts, seed, threads = arguments()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((LIMIT,), dtype="int32"),
            keras.layers.Embedding(texts.words, EMBEDDING, mask_zero=True),
            keras.layers.Dropout(0.5),
            keras.layers.Bidirectional(keras.layers.LSTM(HIDDEN)),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(texts.classes),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    lengths = np.minimum([len(x) for x in texts.train], LIMIT)
    clock = Clock((texts.fixed("validation"), texts.validation_labels), lengths)
    epochs = UPDATES // (len(texts.train) // BATCH) + 1
    model.fit(
        texts.fixed("train"), texts.labels, BATCH, epochs, verbose=0, callbacks=[clock]
    )  # fmt: skip
    answer(int((UPDATES - 1) * BATCH * clock.mean), clock.seconds, clock.curve)


if __name__ == "__main__":
    sys.exit(main())
