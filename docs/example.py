# Source of docs/example.ipynb: `python docs/notebook.py` runs these cells and stores what they show.

# %% [markdown]
# # An example in Python
# From a file to an answer in a notebook. The texts are made up, so that everything here runs in a minute; the
# functions are described in [In Python](api.md).

# %%
import csv
import random
from pathlib import Path

import datayield

words = {
    "weather": "rain wind cloud storm sunshine frost thunder mist breeze drizzle".split(),
    "kitchen": "pan oven dough soup knife onion butter recipe simmer plate".split(),
    "harbour": "boat anchor tide sail pier crane cargo gull rope mast".split(),
}
common = "the a old very today we saw near with some again before".split()
chance = random.Random(0)
with Path("notes.csv").open("w", newline="") as out:
    rows = csv.writer(out)
    rows.writerow(["note", "topic"])
    for number in range(600):
        topic = list(words)[number % 3]
        other = chance.choice(list(words))  # one word of any topic: the texts are not too easy
        told = chance.sample(words[topic], 2) + chance.sample(words[other], 1)
        rows.writerow([" ".join(chance.sample(told + chance.choices(common, k=6), 9)), topic])

# %% [markdown]
# ## The corpus
# Columns are guessed where only one can be meant. Half of so small a file is the test set.

# %%
datayield.load_corpus("notes.csv")

# %% [markdown]
# ## A study
# The project's folder holds params.yaml, which says what is compared. Nothing is trained before `run_study`.

# %%
folder = datayield.start_project("notes.csv", "notes", budget=60, draws=3)
print(datayield.plan_study(folder))

# %%
report = datayield.run_study(folder)
print(report)

# %% [markdown]
# ## The answer

# %%
found = datayield.analyse(folder)
found

# %%
found.figure("curves")

# %%
datayield.multiplier("lstm:eda_nn", 60, folder)

# %%
datayield.need(0.8, folder, have=60, more=100, label_price=0.10)

# %% [markdown]
# ## The numbers behind it
# Every finished cell is a row of a table; every table of the report can be had unrounded.

# %%
cells = datayield.read_cells(folder)
cells.groupby(["arm", "n"])["accuracy"].agg(["mean", "count"]).round(3).head(8)

# %%
found.table("differences").query("n == 60")[
    ["arm", "n", "difference.estimate", "difference.low", "difference.high"]
].round(3)
