"""One correction for a whole page: Holm's, with second claims that cost the first ones nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from automl_bench.statistics.families import chained_holm, holm, pairs_among

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=30)  # statsmodels takes milliseconds for each
@given(SHARES)
def test_holm_is_that_of_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(SHARES, st.integers(0, 5))
def test_members_that_were_not_tested_count_as_if_they_had_p_1(p, unseen):
    assert holm(p, among=len(p) + unseen) == pytest.approx(holm([*p, *[1.0] * unseen])[: len(p)])


def graph(p, weights, edges, level):
    """The procedure of Bretz et al. as published: reject, hand on the weight, rewire."""
    weights, edges, left, rejected = np.array(weights, float), np.array(edges, float), set(range(len(p))), set()
    while found := [j for j in left if weights[j] > 0 and p[j] <= weights[j] * level]:
        j = found[0]
        left.remove(j)
        rejected.add(j)
        new = edges.copy()
        for a, b in itertools.permutations(left, 2):
            loop = 1 - edges[a, j] * edges[j, a]
            new[a, b] = (edges[a, b] + edges[a, j] * edges[j, b]) / loop if loop > 1e-12 else 0.0
        for a in left:
            weights[a] += weights[j] * edges[j, a]
        edges, weights[j] = new, 0.0
    return rejected


@pytest.mark.parametrize("seed", range(40))
def test_chains_are_the_graphical_procedure_of_bretz_and_others(seed):
    chance = np.random.default_rng(seed)
    count = int(chance.integers(1, 5))
    first, second = chance.random(count) ** 4, chance.random(count) ** 4
    # Node i is the first claim of chain i, node count + i its second one.
    edges = np.zeros((2 * count, 2 * count))
    for i in range(count):
        edges[i, count + i] = 1
        for j in range(count):
            if i != j:
                edges[count + i, j] = 1 / (count - 1)
    adjusted = chained_holm(list(zip(first.tolist(), second.tolist(), strict=True)))
    for level in (0.01, 0.05, 0.2, 0.5):
        expected = graph([*first, *second], [1 / count] * count + [0] * count, edges, level)
        mine = {i for i in range(count) if adjusted[i][0] <= level}
        mine |= {count + i for i in range(count) if adjusted[i][1] <= level}
        assert mine == expected


def test_a_second_claim_needs_the_first_and_costs_it_nothing():
    plain = holm([0.01, 0.03])
    chained = chained_holm([(0.01, 0.5), (0.03, 0.001)])
    assert [first for first, _ in chained] == pytest.approx([plain[0], 0.06])
    assert [second for _, second in chained] == pytest.approx([0.5, 0.06]), "never below the first claim's"


def test_pairs_are_counted_as_chosen_from_all_even_where_only_the_leader_is_shown():
    assert [pairs_among(count) for count in (0, 1, 2, 4, 6)] == [0, 0, 1, 6, 15]
    assert pairs_among(4, baseline=True) == 3
