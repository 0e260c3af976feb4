"""Speed against peers: the same network, weights and photos, the same number of passes, on the same machine.

python -m benchmarks --data PHOTOS --weights MOBILENET.safetensors     # all of it, and benchmarks/README.md anew
python -m benchmarks --only fine_tune --repeats 5                      # one task
python -m benchmarks --quick                                           # does everything run? (figures mean nothing)

The files, in the order of reading: `tasks` (what is compared with what), `material` (photos, network, weights),
`tutorial`, `by_hand`, `with_fastai`, `with_keras`, `with_course`, `inference`, `heads` and `decoding` (the contenders), `gpu`, `one` (one run
in a process of its own), `runs` (all runs, in alternation), `machine`, `report` (the table).
"""
