//! Telegrams and rejections as lines of JSON: the contract with other programs.
