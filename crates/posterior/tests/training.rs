//! Training learns, is interrupted and goes on, and its networks are files.

mod common;

use common::{settings, simulator, view};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_inn::tensors::to_vec;
use regiscope_pose::posterior::Proposal;
use regiscope_posterior::network::{geometry, images_tensor};
use regiscope_posterior::regressor::{answers, train_ensemble};
use regiscope_posterior::train::untrained;
use regiscope_posterior::{Checkpoints, Device, Given, Trained, TrainingSettings, train};
use std::ops::ControlFlow;

fn go_on(_: &regiscope_inn::train::StepReport) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_short_training_beats_the_prior_and_its_density_finds_the_truth() {
    let simulator = simulator(16, 0.4, &[0.0]);
    let settings = settings(16, 120);
    let trained =
        train(&simulator, &settings, 1, &Device::flex(), None, &|| 0.0, &mut go_on).unwrap().expect("not stopped");
    assert!(trained.record.validation_loss < trained.record.prior_loss - 1.0, "{:?}", trained.record);

    // Given an X-ray, the true pose is likelier than under the prior, and familiar X-rays look familiar.
    let from_views = geometry(simulator.views(), &Device::flex());
    let (mut gain, mut familiar) = (0.0, 0.0);
    for number in 0..20 {
        let example = simulator.example(99, number);
        let images = [(&example.images[0], None)];
        let given = Given::new(&trained.network, &from_views, &images, simulator.prior().pivot()).unwrap();
        gain += given.log_density(&[example.pose])[0] - simulator.prior().log_density(&example.pose);
        familiar += trained.familiar.part_stranger(given.features());
    }
    assert!(gain / 20.0 > 0.7, "{gain}");
    assert!((familiar / 20.0 - 0.5).abs() < 0.25, "{familiar}");

    // Draws and densities agree, and an image of something else looks strange.
    let example = simulator.example(99, 0);
    let strange = example.images[0].map(|_| 0.0);
    let strange = {
        let side = strange.rows();
        let mut image = strange;
        image.data_mut()[side + 1] = 1.0;
        image
    };
    let given = Given::new(&trained.network, &from_views, &[(&strange, None)], simulator.prior().pivot()).unwrap();
    assert!(trained.familiar.part_stranger(given.features()) < 0.1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (poses, log_densities) = given.sample(50, &mut rng);
    let again = Proposal::log_density(&given, &poses);
    assert!(log_densities.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn an_interrupted_training_goes_on_bit_for_bit_and_networks_survive_as_files() {
    let simulator = simulator(16, 0.4, &[0.0]);
    let settings = settings(16, 20);
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let whole = train(&simulator, &settings, 1, &device, None, &|| 0.0, &mut go_on).unwrap().unwrap();

    let checkpoints = Checkpoints::in_folder(folder.path().join("state"));
    let stop = &mut |report: &regiscope_inn::train::StepReport| match report.step {
        9 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert!(train(&simulator, &settings, 1, &device, Some(&checkpoints), &|| 0.0, stop).unwrap().is_none());
    let resumed = train(&simulator, &settings, 1, &device, Some(&checkpoints), &|| 0.0, &mut go_on).unwrap().unwrap();
    assert_eq!(resumed.record.validation_loss.to_bits(), whole.record.validation_loss.to_bits());
    assert_eq!(resumed.familiar, whole.familiar);

    whole.save(&settings, folder.path()).unwrap();
    let read = Trained::load(&simulator, folder.path(), &device).unwrap();
    assert_eq!((&read.familiar, &read.record), (&whole.familiar, &whole.record));
    let example = simulator.example(3, 4);
    let density = |trained: &Trained| {
        let from_views = geometry(simulator.views(), &device);
        let images = [(&example.images[0], None)];
        Given::new(&trained.network, &from_views, &images, simulator.prior().pivot())
            .unwrap()
            .log_density(&[example.pose])
    };
    assert_eq!(density(&read), density(&whole));

    std::fs::write(folder.path().join("network.json"), "{\"version\": 1}").unwrap();
    let refused = Trained::load(&simulator, folder.path(), &device).err().expect("a damaged file").to_string();
    assert!(refused.contains("network.json"), "{refused}");
}

#[test]
fn examples_follow_from_seed_and_number_alone() {
    let simulator = simulator(16, 3.0, &[0.0, 90.0]);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| simulator.examples(5, 10..14))
    };
    let (one, three) = (on(1), on(3));
    for (a, b) in one.iter().zip(&three) {
        assert_eq!(a.pose, b.pose);
        assert_eq!(a.images[1].data(), b.images[1].data());
    }
    assert_ne!(one[0].images[0].data(), one[0].images[1].data());
    assert_eq!(simulator.example(5, 12).images[0].data(), one[2].images[0].data());
    assert_ne!(simulator.example(6, 12).pose, one[2].pose);
}

#[test]
fn the_order_of_views_does_not_matter() {
    let device = Device::flex();
    let simulator = simulator(16, 0.4, &[0.0, 90.0]);
    for attention in [false, true] {
        let mut settings = settings(16, 1).network;
        settings.attention = attention;
        let network = untrained(&simulator, &settings, 2, &device).unwrap();
        let example = simulator.example(1, 1);
        let condition = |order: [usize; 2]| {
            let views: Vec<_> = order.iter().map(|n| simulator.views()[*n].clone()).collect();
            let pixels = order.iter().flat_map(|n| example.images[*n].data().to_vec()).collect();
            to_vec(network.condition(images_tensor(pixels, 16, &device), &geometry(&views, &device)))
        };
        let (there, back) = (condition([0, 1]), condition([1, 0]));
        assert!(there.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-5));
        assert!(there.iter().zip(condition([0, 0])).any(|(a, b)| (a - b).abs() > 1e-3));
    }
}

#[test]
fn an_ensemble_of_regressors_finds_unambiguous_poses() {
    let simulator = simulator(16, 0.4, &[0.0]);
    let device = Device::flex();
    let settings = settings(16, 100);
    let hear = &mut |_, _| ControlFlow::Continue(());
    let ensemble = train_ensemble(2, &simulator, &settings, 1, &device, &|| 0.0, hear).unwrap().unwrap();
    let (mut off, mut prior) = (0.0, 0.0);
    for number in 0..30 {
        let example = simulator.example(99, number);
        let across = |a: &regiscope_geometry::Rigid| {
            let d = a.translation.vector - example.pose.translation.vector;
            (d.x.powi(2) + d.z.powi(2)).sqrt()
        };
        off += answers(&ensemble, &simulator, &example, &device).iter().map(across).sum::<f64>() / 2.0;
        prior += across(simulator.prior().nominal());
    }
    assert!(off < 0.6 * prior, "{off} {prior}");
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let simulator = simulator(16, 0.4, &[0.0]);
    let train_with = |settings: TrainingSettings| {
        train(&simulator, &settings, 1, &Device::flex(), None, &|| 0.0, &mut go_on).err().expect("refused").to_string()
    };
    assert!(train_with(settings(32, 1)).contains("32 × 32"));
    let mut odd = settings(16, 1);
    odd.network.see.pixels = 18;
    assert!(train_with(odd).contains("pixels is 18"));
    assert!(train_with(TrainingSettings { validation: 3, ..settings(16, 1) }).contains("validation is 3"));
    let network = untrained(&simulator, &settings(16, 1).network, 1, &Device::flex()).unwrap();
    let from_views = geometry(&[view(16, 0.0)], &Device::flex());
    let mut image = simulator.example(1, 1).images.remove(0);
    image.data_mut()[5] = f32::NAN;
    let refused = Given::new(&network, &from_views, &[(&image, None)], simulator.prior().pivot()).err().unwrap();
    assert!(refused.to_string().contains("NaN in row 0, column 5"), "{refused}");
}
