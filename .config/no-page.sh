# For `cargo nextest run`: variables that every test gets.
echo METERGATE_WEB__LISTEN=off >>"$NEXTEST_ENV"
