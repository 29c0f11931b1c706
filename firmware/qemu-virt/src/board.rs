//! The emulated RISC-V board `virt`: start-up, serial line, instruction counter, and the way out.
//!
//! Addresses are those of `qemu-system-riscv32 -M virt`: a 16550 serial port and a finisher that ends the emulator
//! with an exit status. All `unsafe` of the firmware is here.
use core::fmt;

core::arch::global_asm!(
    r#"
.section .text.start
.globl _start
_start:
  la sp, _stack_top
  la t0, _bss_start
  la t1, _bss_end
1: bgeu t0, t1, 2f
  sw zero, 0(t0)
  addi t0, t0, 4
  j 1b
2: call board_main
3: j 3b
"#
);

const UART: *mut u8 = 0x1000_0000 as *mut u8;
const FINISHER: *mut u32 = 0x0010_0000 as *mut u32;

/// The serial line, which the emulator prints.
pub struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the transmit register of the board's serial port; writing it has no other effect.
            unsafe { UART.write_volatile(byte) };
        }
        Ok(())
    }
}

/// Instructions executed since start. The emulator counts them exactly when it runs with `-icount shift=0`.
#[must_use]
pub fn instructions() -> u32 {
    let count: u32;
    // SAFETY: reads a counter. The low half is enough: decoding stays far below 2^32.
    unsafe { core::arch::asm!("csrr {}, minstret", out(reg) count) };
    count
}

/// Ends the emulator with exit status 0 or 1.
pub fn exit(good: bool) -> ! {
    let word = if good { 0x5555 } else { (1 << 16) | 0x3333 };
    // SAFETY: the finisher of the board; nothing runs after it.
    unsafe { FINISHER.write_volatile(word) };
    loop {
        core::hint::spin_loop();
    }
}

#[unsafe(no_mangle)]
extern "C" fn board_main() -> ! {
    exit(crate::run(&mut Serial).is_ok_and(|good| good))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use fmt::Write as _;
    let _ = writeln!(Serial, "PANIC {info}");
    exit(false)
}
