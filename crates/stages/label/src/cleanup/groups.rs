//! Names that hang together by links (disjoint sets).

use std::collections::{BTreeMap, VecDeque};

use super::links::Link;

/// Which names hang together, and by which links.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    /// The group of each name.
    group: Vec<usize>,
    /// The names of each group; a group that was joined to another one has none.
    members: Vec<Vec<usize>>,
    /// The links of each name within its group, the first used first.
    links: Vec<Vec<Link>>,
    apart: &'a [Vec<usize>],
}

impl<'a> Groups<'a> {
    /// Each of so many names alone; `apart` says with which others each must not be.
    pub(super) fn new(count: usize, apart: &'a [Vec<usize>]) -> Self {
        Self {
            group: (0..count).collect(),
            members: (0..count).map(|number| vec![number]).collect(),
            links: vec![Vec::new(); count],
            apart,
        }
    }

    /// Joins the groups of two names, if they may be one and are not yet.
    pub(super) fn join(&mut self, link: Link, may_join: impl FnOnce(&[usize], &[usize]) -> bool) {
        let (one, other) = (self.group[link.one], self.group[link.other]);
        let (first, second) = (&self.members[one], &self.members[other]);
        if one != other {
            if self.are_apart(first, other) || !may_join(first, second) {
                return;
            }
            self.unite(one, other);
        }
        self.links[link.one].push(link);
        self.links[link.other].push(link);
    }

    fn unite(&mut self, one: usize, other: usize) {
        // The smaller one moves, so that no name moves often.
        let is_larger = self.members[one].len() >= self.members[other].len();
        let (stays, goes) = if is_larger { (one, other) } else { (other, one) };
        let moved = std::mem::take(&mut self.members[goes]);
        moved.iter().for_each(|&member| self.group[member] = stays);
        self.members[stays].extend(moved);
    }

    fn are_apart(&self, members: &[usize], group: usize) -> bool {
        members.iter().flat_map(|&member| &self.apart[member]).any(|&other| self.group[other] == group)
    }

    /// The names of each group.
    pub(super) fn all(&self) -> impl Iterator<Item = &[usize]> {
        self.members.iter().map(Vec::as_slice).filter(|members| !members.is_empty())
    }

    /// For each other name of a group the next one on the shortest way to this one, and the link.
    pub(super) fn ways_to(&self, head: Option<usize>) -> BTreeMap<usize, (usize, Link)> {
        let mut ways = BTreeMap::new();
        let mut reached: VecDeque<usize> = head.into_iter().collect();
        while let Some(next) = reached.pop_front() {
            for &link in &self.links[next] {
                let from = if link.one == next { link.other } else { link.one };
                if Some(from) != head && !ways.contains_key(&from) {
                    ways.insert(from, (next, link));
                    reached.push_back(from);
                }
            }
        }
        ways
    }
}
