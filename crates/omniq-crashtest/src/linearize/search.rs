//! Searches for an order of operations, after Wing and Gong, with the memory of failed states by Lowe.

use std::collections::HashSet;

use super::model::{Group, Operation, World};

/// Whether the operations have an order that respects real time and that the model allows. They are sorted by their
/// invocation.
pub(super) fn is_linearizable(operations: &[Operation], world: &World) -> bool {
    let (answered, open): (Vec<_>, Vec<_>) =
        operations.iter().partition(|one| one.answered.is_some());
    let mut search = Search {
        done: vec![0; operations.len().div_ceil(64)],
        answered,
        open,
        world,
        first: 0,
        tried: HashSet::new(),
    };
    search.run()
}

struct Search<'a> {
    /// The operations that must be in the order.
    answered: Vec<&'a Operation>,
    /// The operations without a response: they may be in the order.
    open: Vec<&'a Operation>,
    world: &'a World,
    /// A bit for each operation that is in the order: first those with a response, then the others.
    done: Vec<u64>,
    /// All operations with a response before this one are in the order.
    first: usize,
    /// The sets of operations, each with the state that it led to, from which the search has gone on.
    tried: HashSet<(Vec<u64>, Group)>,
}

impl Search<'_> {
    fn run(&mut self) -> bool {
        let mut group = Group::default();
        let mut order: Vec<(usize, Group)> = Vec::new();
        // The candidate to try next, in the list of `candidates`.
        let mut from = 0;
        loop {
            self.skip_done();
            if self.first == self.answered.len() {
                return true;
            }
            match self.step(&group, from) {
                Some((index, after)) => {
                    order.push((index, std::mem::replace(&mut group, after)));
                    from = 0;
                }
                None => {
                    let Some((index, before)) = order.pop() else {
                        return false;
                    };
                    self.flip(index);
                    self.first = self.first.min(index);
                    group = before;
                    from = index + 1;
                }
            }
        }
    }

    fn skip_done(&mut self) {
        while self.first < self.answered.len() && self.is_done(self.first) {
            self.first += 1;
        }
    }

    /// Appends the next possible operation to the order. Returns its index and the state after it.
    fn step(&mut self, group: &Group, from: usize) -> Option<(usize, Group)> {
        let limit = self.limit();
        let is_early = |one: &&Operation| one.invoked < limit;
        let answered_end = self.answered.partition_point(is_early);
        let open_end = self.open.partition_point(is_early);
        let total = self.answered.len();
        let candidates = (self.first..answered_end).chain(total..total + open_end);
        for index in candidates.filter(|index| *index >= from) {
            if self.is_done(index) {
                continue;
            }
            let operation = match index.checked_sub(total) {
                Some(open) => self.open[open],
                None => self.answered[index],
            };
            let Some(after) = group.after(operation, self.world) else {
                continue;
            };
            self.flip(index);
            if self.tried.insert((self.done.clone(), after.clone())) {
                return Some((index, after));
            }
            self.flip(index);
        }
        None
    }

    /// Returns the first response of an operation that is not in the order. What was invoked after it comes later.
    fn limit(&self) -> usize {
        let mut limit = usize::MAX;
        for (index, operation) in self.answered.iter().enumerate().skip(self.first) {
            if operation.invoked > limit {
                break;
            }
            if !self.is_done(index) {
                limit = limit.min(operation.answered.unwrap_or(usize::MAX));
            }
        }
        limit
    }

    fn is_done(&self, index: usize) -> bool {
        self.done[index / 64] & (1 << (index % 64)) != 0
    }

    fn flip(&mut self, index: usize) {
        self.done[index / 64] ^= 1 << (index % 64);
    }
}
