//! The memory that a registration is said to take, against what it allocates.
//!
//! The counting allocator sees every array of grids as small as this one; there is one test, since it counts the process.

use regiscope_diffeo::distance::Distance;
use regiscope_diffeo::grid::Grid;
use regiscope_diffeo::objective::Component;
use regiscope_diffeo::optimise::memory::{Inputs, peak_fields};
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::optimise::{Images, Start, register};
use regiscope_diffeo::regularisation::Model;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in use, and the most there ever were.
struct Counting {
    now: AtomicUsize,
    peak: AtomicUsize,
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its nature; this one hands on to the system's")]
// SAFETY: every call is handed on unchanged to the system's allocator; counting touches atomics only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = self.now.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        self.peak.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.now.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static MEMORY: Counting = Counting { now: AtomicUsize::new(0), peak: AtomicUsize::new(0) };

#[test]
fn memory_is_as_foretold_and_below_its_limits() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("threads start");
    pool.install(|| {
        let shape = [60, 56, 60];
        let grid = Grid::new(shape, [1.0; 3]);
        let image = |shift: f32| -> Vec<f32> {
            let place = |i: usize| [i % 60, i / 60 % 56, i / 3360].map(|i| i as f32 / 9.0 + shift);
            let value = |i: usize| place(i)[0].sin() * place(i)[1].cos() + place(i)[2].sin();
            (0..grid.len()).map(|i| 0.3 * value(i)).collect()
        };
        for (preset, limit) in [(Preset::Fast, 20.0), (Preset::Default, 20.0), (Preset::Accurate, 28.0)] {
            let mut settings = presets::settings(preset, Model::default(), shape);
            settings.stages.iter_mut().for_each(|s| (s.newton_steps, s.krylov_steps) = (1, 1));
            let components = vec![Component { fixed: image(0.0), moving: image(0.2), weight: 1.0 }];
            let images = Images { grid, components, mask: None, distance: Distance::SumOfSquares };
            let field = (4 * grid.len()) as f64;
            let before = MEMORY.now.load(Ordering::Relaxed);
            MEMORY.peak.store(before, Ordering::Relaxed);
            register(images, &settings, Start::Rest, &mut ()).expect("sound images");
            // The pair was there before.
            let found = 2.0 + (MEMORY.peak.load(Ordering::Relaxed) - before) as f64 / field;
            let foretold = peak_fields(&grid, Inputs { channels: 1, masked: false }, &settings);
            assert!(
                found < 1.15 * foretold && found > 0.85 * foretold,
                "{preset:?}: {found:.2}, foretold {foretold:.2}"
            );
            let whole = Grid::new([256; 3], [1.0; 3]);
            let at_256 = peak_fields(&whole, Inputs { channels: 1, masked: false }, &settings);
            assert!(at_256 <= limit, "{preset:?}: {at_256:.2}");
        }
    });
}
