//! Runs models inside one worker or iframe.
