import pytest

from autograder.exercises.ch00 import EXERCISES
from autograder.proof import prove


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_the_proof_holds(exercise):
    proof = prove(exercise)
    assert proof.holds, proof
    assert proof.judged >= 20 * len(exercise.misconception_ids())
