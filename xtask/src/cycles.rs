//! Finds cycles in the imports between the files of a crate.

use std::collections::{BTreeMap, VecDeque};

use crate::import_graph::ImportGraph;

/// An edge: the file that uses, and the file that is used.
type Edge = (String, String);

/// Returns cycles, each as a list of files whose last one uses the first one.
///
/// A list of all cycles would be too long to read. This one has the shortest cycle, then the shortest of those that are left if
/// the edge with the fewest uses is taken out of it, and so on. So it is empty if and only if there is no cycle, and about as long as
/// the number of edges that have to go.
pub fn cycles(graph: &ImportGraph) -> Vec<Vec<String>> {
    let mut edges: BTreeMap<&Edge, usize> = graph
        .edges
        .iter()
        .map(|(edge, places)| (edge, places.len()))
        .collect();
    let mut found = Vec::new();
    while let Some(cycle) = shortest_cycle(edges.keys().copied()) {
        let weakest = edges_of(&cycle)
            .into_iter()
            .min_by_key(|edge| edges.get(edge));
        if let Some(weakest) = weakest {
            edges.remove(&weakest);
        }
        found.push(cycle);
    }
    found
}

/// Returns the shortest cycle, beginning with the file whose name comes first.
fn shortest_cycle<'a>(edges: impl Iterator<Item = &'a Edge> + Clone) -> Option<Vec<String>> {
    let mut uses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.clone() {
        uses.entry(from).or_default().push(to);
    }
    let mut cycle = edges
        .filter_map(|(from, to)| shortest_path(&uses, to, from))
        .min_by_key(Vec::len)?;
    let first = (0..cycle.len()).min_by_key(|index| cycle[*index]);
    cycle.rotate_left(first.unwrap_or(0));
    Some(cycle.into_iter().map(str::to_owned).collect())
}

/// Returns the edges of a cycle.
fn edges_of(cycle: &[String]) -> Vec<Edge> {
    let next = cycle.iter().cycle().skip(1);
    cycle.iter().cloned().zip(next.cloned()).collect()
}

/// Returns a shortest path, both ends included.
fn shortest_path<'a>(
    uses: &BTreeMap<&'a str, Vec<&'a str>>,
    start: &'a str,
    end: &'a str,
) -> Option<Vec<&'a str>> {
    let mut came_from = BTreeMap::from([(start, None)]);
    let mut open = VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        if file == end {
            let path = std::iter::successors(Some(file), |file| came_from[file]);
            let mut path: Vec<_> = path.collect();
            path.reverse();
            return Some(path);
        }
        for next in uses.get(file).into_iter().flatten() {
            if !came_from.contains_key(next) {
                came_from.insert(next, Some(file));
                open.push_back(next);
            }
        }
    }
    None
}

/// Describes a cycle: the crate and the files, then one import for each edge.
pub fn describe(graph: &ImportGraph, cycle: &[String]) -> String {
    let mut names: Vec<_> = cycle.iter().map(|file| short(file)).collect();
    names.extend(names.first().copied());
    let package = cycle[0]
        .split_once("/src/")
        .map_or("", |(package, _)| package);
    let mut text = format!("{package}: {}", names.join(" → "));
    for edge in edges_of(cycle) {
        let places = &graph.edges[&edge];
        let (from, to) = &edge;
        let first = &places[0];
        text += &format!(
            "\n    {from}:{}: uses `{}` of {}",
            first.line,
            first.path,
            short(to)
        );
        if places.len() > 1 {
            text += &format!(" (and {} more)", places.len() - 1);
        }
    }
    text
}

/// Returns the part of a file's path after `src/`.
fn short(file: &str) -> &str {
    file.split_once("/src/").map_or(file, |(_, short)| short)
}
