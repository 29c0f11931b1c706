//! Opening of encrypted telegrams: AES-128-GCM, keys and invocation counters (IEC 62056-5-3, security suite 0).
