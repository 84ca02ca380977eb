//! Long tables of results, and what rankings make of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_challenge::ranking::plain::rank_all;
use regiscope_challenge::ranking::order::Ties;
use regiscope_challenge::ranking::{Method, Test};
use regiscope_challenge::results::{Better, Missing, from_long};
use regiscope_challenge::table::{LongColumns, Table, long_table};

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = Table::from_csv(bytes) else { return };
    let name = |at: usize| table.names.get(at).cloned().unwrap_or_default();
    let columns = LongColumns { task: None, case: name(0), algorithm: name(1), value: name(2), cluster: None };
    let Ok(long) = long_table(&table, &columns) else { return };
    let Ok(tasks) = from_long(&long, Better::Larger, Missing::Worst) else { return };
    for method in ["mean-then-rank", "rank-then-median", "test-then-rank"] {
        let method = Method::parse(method, Better::Larger, Test::default()).unwrap();
        for task in &tasks {
            let ranking = rank_all(task, &method, Better::Larger, Ties::Min);
            assert!(ranking.ranks.iter().all(|r| r.is_finite()));
        }
    }
});
