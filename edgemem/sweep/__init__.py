"""Many trainings of one task: which hyper-parameters are worth it.

Optuna says what is tried next (:mod:`edgemem.sweep.study`), a place trains it: this process
(:mod:`edgemem.sweep.local`) or a Dask cluster (:mod:`edgemem.sweep.cluster`).
"""
