"""nlpaug's word-level augmenters; run by benchmarks/augment.py where nlpaug and nltk are installed.

Prints the processor seconds of rewriting alone: imports and WordNet's loading are not counted.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

WORDNET = Path(os.environ.get("DATAYIELD_WORDNET") or "/usr/share/wordnet")
# WordNet 3.0's lexicographer files in their order; nltk wants the list, Debian does not ship it.
LEXNAMES = """adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body
noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive
noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process noun.quantity
noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change verb.cognition
verb.communication verb.competition verb.consumption verb.contact verb.creation verb.emotion verb.motion
verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl""".split()
PARTS = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


def lay_out(folder: Path) -> None:
    """WordNet's files where nltk looks for them."""
    own = folder / "corpora" / "wordnet"
    shutil.copytree(WORDNET, own)
    names = (f"{i:02d}\t{n}\t{PARTS[n.split('.')[0]]}\n" for i, n in enumerate(LEXNAMES))
    (own / "lexnames").write_text("".join(names))
    (own / "index.sense").touch()  # read for other languages alone


def augmenter(operation: str, alpha: float) -> object:
    """The one that does this operation on a share alpha of the words, at least one."""
    import nlpaug.augmenter.word as naw
    from nlpaug.model.word_dict.wordnet import WordNet

    share = {"aug_p": alpha, "aug_min": 1, "aug_max": None}
    if operation != "synonym":
        return naw.RandomWordAug(action=operation, **share)
    # Its tagger's data are in no package; without tags every part of speech counts, as in EDA.
    WordNet.pos_tag = classmethod(lambda cls, tokens: [(t, "") for t in tokens])
    return naw.SynonymAug(aug_src="wordnet", **share)


def main() -> None:
    """Rewrite every text as often as asked."""
    path, operation, alpha, variants = sys.argv[1:]
    texts = json.loads(Path(path).read_text())
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        os.environ["NLTK_DATA"] = folder
        made = augmenter(operation, float(alpha))
        made.augment(texts[0])  # loads WordNet
        began = time.process_time()
        for _ in range(int(variants)):
            made.augment(texts)
        print(time.process_time() - began)


if __name__ == "__main__":
    main()
