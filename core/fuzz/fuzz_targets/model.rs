#![cfg_attr(fuzzing, no_main)]

guarita_fuzz::libfuzzer!(model);
