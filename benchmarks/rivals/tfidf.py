"""TF-IDF with logistic regression, for scale; run by benchmarks/engine.py."""

import time

from data import answer, arguments
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression


def main() -> None:
    texts, _, _ = arguments()
    began = time.perf_counter()
    lines = [" ".join(f"w{i}" for i in line) for line in texts.train]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=16, max_iter=300).fit(
        vectorizer.fit_transform(lines), texts.labels
    )
    seconds = time.perf_counter() - began
    held = [" ".join(f"w{i}" for i in line) for line in texts.validation]
    accuracy = float((model.predict(vectorizer.transform(held)) == texts.validation_labels).mean())
    answer(sum(len(x) for x in texts.train), seconds, [(seconds, accuracy)])


if __name__ == "__main__":
    main()
