//! How fast is learnt at each step.

/// The rate of learning: it rises from nothing, then falls along a cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub rate: f64,
    /// What of it is left at the end.
    pub last: f64,
    /// Steps in which it rises.
    pub warm_up: usize,
    /// All steps.
    pub steps: usize,
}

impl Schedule {
    /// The rate at a step, the first one being 0.
    pub fn rate(&self, step: usize) -> f64 {
        let progress = (step as f64 / self.steps.max(1) as f64).min(1.0);
        let fallen = (1.0 - (progress * std::f64::consts::PI).cos()) / 2.0;
        let risen = ((step + 1) as f64 / (self.warm_up + 1) as f64).min(1.0);
        self.rate * (1.0 - fallen * (1.0 - self.last)) * risen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let schedule = Schedule { rate: 0.01, last: 0.2, warm_up: 10, steps: 100 };
        let rates: Vec<f64> = (0..=100).map(|step| schedule.rate(step)).collect();
        assert!(rates[..10].is_sorted() && rates[10..].iter().rev().is_sorted());
        assert!((rates[0] - 0.01 / 11.0).abs() < 1e-9);
        assert!((rates[50] - 0.006).abs() < 1e-9);
        assert!((rates[100] - 0.002).abs() < 1e-9);
    }
}
