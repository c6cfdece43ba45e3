
SELECT 1, 1.5, .5, 1e3, 1.5e-3, TRUE, FALSE, UNKNOWN, NULL, x'45F0' '00', U&'\0041!' , U&'a!0042' UESCAPE '!', E'a\nb'