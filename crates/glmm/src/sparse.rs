//! The pattern of the sparse Cholesky factor of H = Λᵀ Zᵀ W Z Λ + I: which level is eliminated when, and what fills in.
//!
//! A node is one level of one term (k scalar unknowns). Nodes are ordered by approximate minimum degree (Amestoy, Davis
//! & Duff 1996); from where it costs less, what is left becomes one dense trailing block, so that for the usual design
//! (one factor with many levels, some crossed effects) the method is block elimination with a dense Schur complement, and
//! for others a sparse Cholesky factorisation with one supernode for each level.

use crate::cross::CrossPattern;
use crate::random::Layout;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::SymbolicSparseColMatRef;
use faer::sparse::linalg::amd;

/// What an update in the sparse part costs in operations of the dense one, which run in vectors from cache.
const SPARSE_COST: f64 = 30.0;
/// The trailing block may have this many values for each one that is filled, and this many anyway.
const DENSE_VALUES: (f64, f64) = (8.0, 1e6);

/// The pattern of the factor.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// First unknown, in order of elimination, of each level of each term (indexed as term's first node + level).
    pub scalar_of_node: Vec<u32>,
    /// First node of each term, and their number at the end.
    pub first_node: Vec<usize>,
    /// The nodes that are eliminated sparsely, in order.
    pub columns: Vec<Column>,
    /// Rows (unknowns in order of elimination) of all columns, one after the other; neighbours with the same rows share
    /// them.
    pub rows: Vec<u32>,
    /// The columns again, parted into runs.
    pub runs: Vec<Run>,
    /// First unknown of the dense trailing block.
    pub tail: usize,
    /// Number of unknowns of the dense trailing block.
    pub tail_size: usize,
    /// Place of the trailing block in the factor's values.
    pub tail_values: usize,
    /// Number of values of the factor.
    pub len: usize,
    /// For each diagonal block (term by term, level by level) its place.
    pub diagonal_targets: Vec<Target>,
    /// For each block of each pair of terms its place.
    pub pair_targets: Vec<Vec<Target>>,
}

/// A node that is eliminated sparsely.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// First unknown.
    pub first: u32,
    /// Number of unknowns.
    pub size: u32,
    /// First of its rows in [`Pattern::rows`].
    pub rows: usize,
    /// Number of its rows below the diagonal block.
    pub row_count: u32,
    /// Place of the diagonal block (column after column); the panel below it follows, row after row.
    pub values: usize,
}

impl Column {
    /// Place of the panel.
    pub fn panel(&self) -> usize {
        self.values + (self.size * self.size) as usize
    }
}

/// Neighbouring columns that are worked on together: several scalar ones that have the same rows, or any single one.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The columns.
    pub columns: std::ops::Range<usize>,
}

/// Where a block of ZᵀWZ goes: place, whether the block is turned (its rows are the column node), whether it lies in the
/// trailing block; packed, as there are many of them.
#[derive(Clone, Copy, Debug)]
pub struct Target(usize);

impl Target {
    fn new(place: usize, turned: bool, dense: bool) -> Self {
        Target(place << 2 | usize::from(turned) << 1 | usize::from(dense))
    }

    /// Place of the block's first element.
    pub fn place(self) -> usize {
        self.0 >> 2
    }

    /// Whether rows and columns change places.
    pub fn turned(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether it lies in the dense trailing block (column after column there, row after row in a panel).
    pub fn dense(self) -> bool {
        self.0 & 1 != 0
    }
}

impl Pattern {
    /// The pattern for a layout and its cross-products.
    pub fn new(layout: &Layout, cross: &CrossPattern) -> Self {
        let mut first_node = vec![0];
        let mut sizes = Vec::new();
        for term in &layout.terms {
            sizes.extend(std::iter::repeat_n(term.columns.len() as u32, term.levels.len()));
            first_node.push(sizes.len());
        }
        let nodes = sizes.len();
        let graph = Graph::new(nodes, &first_node, cross);
        let order = graph.minimum_degree();
        let structures = graph.eliminate(&order);
        let sparse = first_dense(&order, &structures, &sizes);
        let (order, structures) = like_after_like(&order, structures, &sizes, sparse);
        place_columns(layout, cross, first_node, &sizes, &order, structures, sparse)
    }

    /// Number of unknowns.
    pub fn unknowns(&self) -> usize {
        self.tail + self.tail_size
    }

    /// The rows of a column.
    pub fn rows_of(&self, column: &Column) -> &[u32] {
        &self.rows[column.rows..][..column.row_count as usize]
    }
}

/// Which nodes meet, as adjacency lists in both directions.
struct Graph {
    first: Vec<usize>,
    neighbours: Vec<usize>,
}

impl Graph {
    fn new(nodes: usize, first_node: &[usize], cross: &CrossPattern) -> Self {
        let edges = || {
            cross.pairs.iter().flat_map(|pair| {
                let (t, s) = (first_node[pair.t], first_node[pair.s]);
                pair.levels.iter().map(move |&(l, m)| (t + l as usize, s + m as usize))
            })
        };
        let mut first = vec![0usize; nodes + 1];
        for (a, b) in edges() {
            first[a + 1] += 1;
            first[b + 1] += 1;
        }
        for i in 0..nodes {
            first[i + 1] += first[i];
        }
        let mut next = first.clone();
        let mut neighbours = vec![0usize; *first.last().expect("starts with 0")];
        for (a, b) in edges() {
            neighbours[next[a]] = b;
            next[a] += 1;
            neighbours[next[b]] = a;
            next[b] += 1;
        }
        for i in 0..nodes {
            neighbours[first[i]..first[i + 1]].sort_unstable();
        }
        Graph { first, neighbours }
    }

    fn neighbours(&self, node: usize) -> &[usize] {
        &self.neighbours[self.first[node]..self.first[node + 1]]
    }

    /// Nodes in order of elimination.
    fn minimum_degree(&self) -> Vec<usize> {
        let nodes = self.first.len() - 1;
        let matrix = SymbolicSparseColMatRef::new_checked(nodes, nodes, &self.first, None, &self.neighbours);
        let (mut order, mut inverse) = (vec![0usize; nodes], vec![0usize; nodes]);
        let mut memory = MemBuffer::new(amd::order_scratch::<usize>(nodes, self.neighbours.len()));
        amd::order(&mut order, &mut inverse, matrix, amd::Control::default(), MemStack::new(&mut memory))
            .expect("the numbers of nodes and edges fit the index type");
        order
    }

    /// For each place in the order the later places that its column of the factor touches, sorted.
    fn eliminate(&self, order: &[usize]) -> Vec<Vec<u32>> {
        let nodes = order.len();
        let mut place = vec![0u32; nodes];
        for (p, &node) in order.iter().enumerate() {
            place[node] = p as u32;
        }
        let mut structures: Vec<Vec<u32>> = vec![Vec::new(); nodes];
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); nodes];
        let mut mark = vec![u32::MAX; nodes];
        for p in 0..nodes {
            let mut structure = Vec::new();
            let mut add = |other: u32| {
                if other as usize > p && mark[other as usize] != p as u32 {
                    mark[other as usize] = p as u32;
                    structure.push(other);
                }
            };
            self.neighbours(order[p]).iter().for_each(|&node| add(place[node]));
            for &child in &children[p] {
                structures[child as usize].iter().for_each(|&other| add(other));
            }
            structure.sort_unstable();
            if let Some(&parent) = structure.first() {
                children[parent as usize].push(p as u32);
            }
            structures[p] = structure;
        }
        structures
    }
}

/// The first place from which on the rest of the factor is best kept dense: where the cost of a factorisation with its
/// selected inverse is least.
fn first_dense(order: &[usize], structures: &[Vec<u32>], sizes: &[u32]) -> usize {
    let size = |p: usize| f64::from(sizes[order[p]]);
    // Unknowns, filled values and sparse updates of the places from p on.
    let (mut unknowns, mut filled, mut updates) = (0.0, 0.0, 0.0);
    let (mut best, mut least) = (order.len(), 0.0);
    for p in (0..order.len()).rev() {
        let rows: f64 = structures[p].iter().map(|&row| size(row as usize)).sum();
        let k = size(p);
        unknowns += k;
        filled += k * (k + rows);
        updates += k * (k + rows) * (k + rows);
        // Against no dense block at all: what is saved counts below zero.
        let cost = unknowns * unknowns * unknowns - SPARSE_COST * updates;
        let fits = unknowns * unknowns <= (DENSE_VALUES.0 * filled).max(DENSE_VALUES.1);
        if cost < least && fits {
            (best, least) = (p, cost);
        }
    }
    best
}

/// Brings the columns that no other one changes (the leaves of the elimination tree) to the front, sorted so that those
/// with the same rows follow each other. Every column stays before the ones that it changes, so the pattern is the same.
fn like_after_like(
    order: &[usize],
    structures: Vec<Vec<u32>>,
    sizes: &[u32],
    sparse: usize,
) -> (Vec<usize>, Vec<Vec<u32>>) {
    let mut leaf = vec![true; sparse];
    for &parent in structures.iter().take(sparse).filter_map(|s| s.first()) {
        if (parent as usize) < sparse {
            leaf[parent as usize] = false;
        }
    }
    let key = |p: usize| (sizes[order[p]], &structures[p]);
    let mut before: Vec<usize> = (0..sparse).filter(|&p| leaf[p]).collect();
    before.sort_by(|&a, &b| key(a).cmp(&key(b)).then(a.cmp(&b)));
    before.extend((0..sparse).filter(|&p| !leaf[p]));
    before.extend(sparse..order.len());
    let mut after = vec![0u32; order.len()];
    before.iter().enumerate().for_each(|(p, &old)| after[old] = p as u32);
    // Leaves are in nobody's rows, and the others keep their order among themselves, so the rows stay sorted.
    let mut structures: Vec<Option<Vec<u32>>> = structures.into_iter().map(Some).collect();
    let moved = before.iter().map(|&old| {
        let mut structure = structures[old].take().expect("every place is taken once");
        structure.iter_mut().for_each(|row| *row = after[*row as usize]);
        structure
    });
    let moved = moved.collect();
    (before.iter().map(|&p| order[p]).collect(), moved)
}

fn place_columns(
    layout: &Layout,
    cross: &CrossPattern,
    first_node: Vec<usize>,
    sizes: &[u32],
    order: &[usize],
    structures: Vec<Vec<u32>>,
    sparse: usize,
) -> Pattern {
    let nodes = order.len();
    let mut first = vec![0u32; nodes + 1];
    for p in 0..nodes {
        first[p + 1] = first[p] + sizes[order[p]];
    }
    let tail = first[sparse] as usize;
    let (mut columns, mut rows, mut len) = (Vec::<Column>::with_capacity(sparse), Vec::new(), 0usize);
    let mut runs: Vec<Run> = Vec::new();
    for p in 0..sparse {
        let size = sizes[order[p]];
        let alike = p > 0 && structures[p] == structures[p - 1];
        let from = if alike { columns[p - 1].rows } else { rows.len() };
        if !alike {
            for &other in &structures[p] {
                rows.extend(first[other as usize]..first[other as usize + 1]);
            }
        }
        let row_count = if alike { columns[p - 1].row_count } else { (rows.len() - from) as u32 };
        match runs.last_mut() {
            Some(run) if alike && size == 1 && columns[p - 1].size == 1 => run.columns.end = p + 1,
            _ => runs.push(Run { columns: p..p + 1 }),
        }
        columns.push(Column { first: first[p], size, rows: from, row_count, values: len });
        len += (size * (size + row_count)) as usize;
    }
    let tail_size = first[nodes] as usize - tail;
    let tail_values = len;
    len += tail_size * tail_size;

    let mut place_of_node = vec![0usize; nodes];
    let mut scalar_of_node = vec![0u32; nodes];
    for (p, &node) in order.iter().enumerate() {
        place_of_node[node] = p;
        scalar_of_node[node] = first[p];
    }
    let diagonal_target = |node: usize| {
        let p = place_of_node[node];
        if p < sparse {
            Target::new(columns[p].values, false, false)
        } else {
            Target::new(tail_values + (first[p] as usize - tail) * (tail_size + 1), false, true)
        }
    };
    let diagonal_targets = (0..nodes).map(diagonal_target).collect();
    let pair_target = |a: usize, b: usize| {
        // The block's rows belong to node a, its columns to node b; the earlier of the two is the factor's column.
        let (pa, pb) = (place_of_node[a], place_of_node[b]);
        let (column, row, turned) = if pa < pb { (pa, pb, true) } else { (pb, pa, false) };
        if column >= sparse {
            let (r, c) = (first[row] as usize - tail, first[column] as usize - tail);
            return Target::new(tail_values + c * tail_size + r, turned, true);
        }
        let c: &Column = &columns[column];
        let index = rows[c.rows..][..c.row_count as usize]
            .binary_search(&first[row])
            .expect("nodes that meet are in each other's structure");
        Target::new(c.panel() + index * c.size as usize, turned, false)
    };
    let pair_targets = cross
        .pairs
        .iter()
        .map(|pair| {
            let (t, s) = (first_node[pair.t], first_node[pair.s]);
            pair.levels.iter().map(|&(l, m)| pair_target(t + l as usize, s + m as usize)).collect()
        })
        .collect();
    debug_assert_eq!(tail + tail_size, layout.effects());
    Pattern {
        scalar_of_node,
        first_node,
        columns,
        rows,
        runs,
        tail,
        tail_size,
        tail_values,
        len,
        diagonal_targets,
        pair_targets,
    }
}
