//! The posterior over poses by networks.
//!
//! `cargo bench -p regiscope-posterior --bench posterior -- PART… [key=value…] [OUT.json]`
//!
//! Times are wall and processor time of the whole process (all threads).

use burn::tensor::Device;
use cpu_time::ProcessTime;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_datasets::phantom::{self, PhantomSettings};
use regiscope_drr::attenuation::{Attenuation, attenuation};
use regiscope_drr::{Renderer, Settings};
use regiscope_geometry::{CArm, Point, Rigid, Vector};
use regiscope_image::mask::{bounding_box, cropped, label_mask};
use regiscope_image::smooth::smoothed;
use regiscope_image::Volume;
use regiscope_pose::posterior::{Prior, RotationPrior};
use regiscope_posterior::simulator::{Content, Degradation, Simulator};
use regiscope_posterior::train::{TrainingSettings, train};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let named = |key: &str, default: f64| {
        let value = arguments.iter().find_map(|a| a.strip_prefix(key)?.strip_prefix('='));
        value.map_or(default, |v| v.parse().expect("a number"))
    };
    let pixels = named("pixels", 64.0) as usize;
    let simulator = patient(named("patient", 1.0) as u64, pixels);
    let mut settings = TrainingSettings::default();
    settings.network.see.blocks = 1;
    settings.steps = named("steps", 500.0) as u64;
    settings.batch = named("batch", 64.0) as u64;
    settings.learning_rate = named("rate", 2e-3);
    settings.network.see.pixels = pixels;
    let w = named("channels", 16.0) as usize;
    settings.network.see.channels = vec![w, 2 * w, 4 * w];
    settings.network.see.blocks = named("blocks", 1.0) as usize;
    settings.network.components = named("components", 8.0) as usize;
    settings.network.steps = named("flow", 2.0) as usize;
    settings.network.width = named("width", 64.0) as usize;
    let start = Instant::now();
    let cpu = ProcessTime::now();
    let mut sum = 0.0;
    let trained = train(&simulator, &settings, 1, &Device::flex(), None, &|| start.elapsed().as_secs_f64(), &mut |r| {
        sum += r.loss;
        if (r.step + 1) % 100 == 0 {
            println!("step {} loss {:.3} norm {:.2} {:.1} s", r.step + 1, sum / 100.0, r.gradient_norm, start.elapsed().as_secs_f64());
            sum = 0.0;
        }
        ControlFlow::Continue(())
    });
    let trained = trained.unwrap().unwrap();
    println!("{:?} cpu {:.1}", trained.record, cpu.elapsed().as_secs_f64());
    let from_views = regiscope_posterior::network::geometry(simulator.views(), &Device::flex());
    for content in 0..3 {
        for noise in [0.1, 2.0, 4.0, 8.0] {
            for number in 0..3 {
                let mut rng = ChaCha8Rng::seed_from_u64(number);
                let pose = simulator.prior().sample(&mut rng);
                let example = simulator.shoot(content, &pose, noise, &mut rng);
                let clock = Instant::now();
                let cpu = ProcessTime::now();
                let likelihood = simulator.likelihood(&example).unwrap();
                let target = simulator.target(likelihood, 60.0);
                let given = regiscope_posterior::Given::new(&trained.network, &from_views, &[(&example.images[0], None)], simulator.prior().pivot()).unwrap();
                let found = regiscope_pose::posterior::posterior(&target, &given, &Default::default(), &mut rng);
                println!("content {content} noise {noise} #{number}: ess {:.0} k {:.2} {:?} {:?} evaluations {} + {} ({:.2} s, {:.2} core-s) evidence {:.2}", found.ess, found.k_hat, found.verdict, found.method, found.evaluations, found.derivatives, clock.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64(), found.log_evidence);
                for m in &found.modes {
                    println!("   mass {:.4} off {:.2} mm {:.2} deg sd {:.2} mm {:.3} deg logp {:.1}", m.mass, (m.map * simulator.prior().pivot() - pose * simulator.prior().pivot()).norm(), m.map.rotation.angle_to(&pose.rotation).to_degrees(), m.covariance.fixed_view::<3,3>(0,0).trace().sqrt(), m.covariance.fixed_view::<3,3>(3,3).trace().sqrt().to_degrees(), m.map_log_density);
                }
            }
        }
    }
}

fn patient(seed: u64, pixels: usize) -> Simulator {
    let settings = PhantomSettings { seed, spacing_mm: [3.0; 3], ..PhantomSettings::default() };
    let made = phantom::generate(&settings).unwrap();
    let mu = attenuation(made.hu, &Attenuation::default()).unwrap();
    let label = |name: &str| regiscope_datasets::labels::label_of(name).unwrap();
    let vertebrae: Vec<u16> = ["L1", "L2", "L3", "L4", "L5"].iter().map(|l| label(&format!("vertebrae_{l}"))).collect();
    let content = |name: &str, labels: &[u16]| {
        let part = part(&mu, &made.labels, labels);
        Content { name: name.into(), renderers: vec![Arc::new(Renderer::new(smoothed(&part, 1.0), Settings::default()).unwrap())] }
    };
    let l3: Vec<&regiscope_datasets::phantom::Landmark> = made.landmarks.iter().filter(|l| l.label == vertebrae[2]).collect();
    let pivot = Point::from(l3.iter().map(|l| l.position.coords).sum::<Vector>() / l3.len() as f64);
    let carm = CArm::new(1020.0, 620.0, pixels, pixels, 400.0 / pixels as f64);
    let nominal = Rigid::translation(-pivot.x, -pivot.y, -pivot.z);
    let rotation = RotationPrior::Turn { axis: Vector::z(), turn: std::f64::consts::PI, swing_sd: 0.12 };
    let prior = Prior::new(nominal, pivot, rotation, [15.0, 30.0, 15.0]).unwrap();
    let contents = vec![content("whole", &[]), content("vertebrae", &vertebrae), content("L3", &vertebrae[2..3])];
    Simulator::new(vec![carm.view().unwrap()], contents, prior, Degradation { noise: [0.05, 8.0], ..Degradation::default() }).unwrap()
}

/// The voxels with some labels (all without labels), cropped to where they are.
fn part(mu: &Volume<f32>, labels: &Volume<u16>, keep: &[u16]) -> Volume<f32> {
    if keep.is_empty() {
        return mu.clone();
    }
    let mask = label_mask(labels, keep);
    let mut kept = mu.clone();
    kept.data_mut().iter_mut().zip(mask.data()).for_each(|(v, m)| if !m { *v = 0.0 });
    let bounds = bounding_box(&mask).unwrap().grown([2; 3], mu.grid().shape());
    cropped(&kept, &bounds)
}
