//! What a run has spent and may spend, counted while it runs.

use std::sync::{Mutex, PoisonError};

use darkroom_core::cell::CellId;
use darkroom_core::event::Event;
use darkroom_core::spending::Spending;

/// What a run has spent, and may.
pub struct MoneyBudget {
    /// Until now, of all its sessions.
    pub spent: Mutex<Spending>,
    /// `budget.usd`.
    pub limit_usd: Option<f64>,
}

impl MoneyBudget {
    pub(super) fn take(&self, event: &Event) {
        self.spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(event);
    }

    /// Returns what is spent until now, to continue counting from.
    pub fn now(&self) -> Spending {
        self.spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says whether no further pass may begin. What is running then still ends: the total may
    /// come to a little more.
    pub fn is_empty(&self) -> bool {
        self.is_empty_after(0.0)
    }

    /// The same, when what is under way has come to so much.
    pub fn is_empty_after(&self, under_way_usd: f64) -> bool {
        self.limit_usd.is_some_and(|limit| {
            let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            spent.usd() + under_way_usd >= limit
        })
    }

    /// Returns what a further pass of a cell is counted for before it has ended, USD.
    pub fn of_next_pass(&self, cell: &CellId) -> f64 {
        self.spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .of_next_pass(cell)
    }
}
