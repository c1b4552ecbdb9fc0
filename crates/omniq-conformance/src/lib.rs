//! The exam that every storage of OmniQ must pass.
//!
//! The exam defines the behaviour of a storage. The crate of a storage has one test file:
//!
//! ```
//! # use std::sync::Arc;
//! # fn open_yours() -> Arc<dyn omniq_core::Storage> { unreachable!() }
//! use omniq_conformance::Subject;
//!
//! fn open() -> Subject {
//!     Subject::new(open_yours())
//! }
//!
//! omniq_conformance::suite!(open);
//! # fn main() {}
//! ```
//!
//! Each question is one test. It gets an empty storage, to which bystanders are added first: tasks with every
//! status that no question may change. They are compared field by field at the end.
//!
//! A storage that several processes can use gives the exam a [second handle](Subject::second) on the same data,
//! so that the exam also checks what one handle sees of the other.
//!
//! Random questions print their seed. The environment variable `OMNIQ_TEST_SEED` sets it, and `PROPTEST_CASES`
//! sets the number of random sequences of operations that are compared with the model.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::unwrap_used)]

mod builders;
mod bystanders;
mod exam;
mod fixture;
mod model;
mod operations;
mod run;
mod seed;
mod strategies;
mod subject;
#[macro_use]
mod suite_macro;

pub use subject::Subject;

pub(crate) use fixture::Fixture;

questions! { $
    enqueue {
        answers_in_order_with_rising_ids
        ids_rise_across_handles
        ids_rise_while_both_handles_enqueue
        an_empty_batch_does_nothing
        a_dropped_enqueue_is_atomic
        an_id_is_never_reused
        many_similar_tasks_are_all_stored
        every_field_is_stored
        any_text_and_bytes_are_stored
        extreme_values_are_stored
    }
    claim {
        priority_then_eta_then_order_across_lanes
        only_tasks_that_the_filter_takes
        never_before_the_eta
        a_due_task_stays_due
        many_tasks_that_become_due_together_are_all_claimed
        next_due_is_exact_and_filtered
        no_more_than_the_limit
        tasks_of_other_lanes_are_untouched
        a_held_back_task_is_never_claimed
        a_claim_updates_the_task
        no_task_is_claimed_twice
    }
    parked {
        existing_work_is_claimed_immediately
        an_enqueue_wakes_the_claim
        the_claim_is_retried_with_the_time_of_the_write
        the_time_of_the_claim_is_not_reused
        a_retried_task_wakes_the_claim
        a_requeue_wakes_the_claim
        a_follow_up_wakes_the_claim
        an_earlier_eta_answers_the_claim
        other_work_does_not_answer_the_claim
        each_claim_wakes_for_its_own_work
        no_wake_up_is_lost
        dropped_claims_leave_no_task_claimed
    }
    guard {
        a_wrong_lease_changes_nothing
        a_wrong_status_changes_nothing
        an_unknown_task_is_not_found
        a_late_worker_changes_nothing
        a_late_release_changes_nothing
        a_late_request_keeps_the_attempts_of_a_requeue
        a_batch_is_answered_in_order
        a_repeated_change_is_applied_once
        a_change_from_another_handle_is_seen
    }
    settle {
        a_success_is_stored_with_all_its_effects
        a_retry_waits_and_stores_its_error
        a_failure_is_final
        a_release_refunds_the_attempt
        a_cancel_of_a_pending_task_is_final
        a_cancel_of_a_running_task_keeps_its_owner
        a_requeue_restarts_the_task
        a_reschedule_moves_the_eta
        the_last_errors_are_stored
        null_is_a_payload_and_a_result
    }
    lifecycle {
        attempts_run_out
        a_poison_task_fails_after_its_last_crash
        a_rejected_request_changes_nothing
        an_interval_continues_as_a_new_task
    }
    unique {
        the_holder_is_returned_until_it_has_finished
        one_batch_adds_one_task_per_key
        a_key_belongs_to_a_name
        finishing_frees_the_key
        a_cancelled_task_holds_its_key_until_it_is_released
        a_requeue_conflicts_with_a_new_holder
        a_follow_up_may_take_over_the_key
        a_follow_up_whose_key_is_held_is_left_out
    }
    series {
        the_unfinished_member_is_returned_for_a_second_one
        a_follow_up_beside_an_unfinished_member_is_left_out
        a_requeue_conflicts_with_the_unfinished_member
        a_cancel_ends_the_series
    }
    leases {
        the_state_of_each_lease_is_returned
        a_lease_expires_after_its_length_without_renewal
        a_renewed_lease_does_not_expire
        the_wall_clock_does_not_matter
        a_renewal_may_change_the_length
        a_cancelled_task_that_is_not_released_becomes_an_orphan
        no_more_orphans_than_the_limit
        a_new_lease_is_observed_from_its_start
    }
    progress {
        the_latest_progress_is_visible_to_all
        a_batch_is_answered_in_order
        a_late_worker_changes_no_progress
        a_cancelled_task_stores_progress_until_it_is_released
        a_finished_task_keeps_its_progress
        the_next_claim_clears_the_progress
        a_requeue_clears_the_progress
        any_fraction_text_and_time_is_stored
    }
    watch {
        an_enqueue_is_signalled
        a_finished_task_is_signalled
        a_cancel_is_signalled
        a_release_after_a_cancel_is_signalled
        a_rejected_change_is_not_signalled
        a_slow_listener_gets_unknown
        the_other_handle_gets_the_signals
    }
    queries {
        finished_tasks_are_distinguished
        tasks_are_returned_in_the_order_of_the_ids
        a_list_is_filtered_and_paged
        stats_count_each_lane
        a_purge_deletes_old_tasks_with_its_statuses
        a_purge_deletes_the_oldest_first
        a_purge_spares_held_tasks
    }
    closing {
        every_operation_fails_after_close
        closing_twice_is_allowed
        other_handles_work_after_close
        acknowledged_tasks_survive_close
        parked_claims_end
        watch_streams_end
    }
    clock {
        the_clock_never_goes_back
    }
    races {
        each_task_is_claimed_once
        every_task_finishes_once
        one_key_adds_one_task
    }
    random {
        random_operations_agree_with_the_model
    }
}
