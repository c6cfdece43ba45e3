# One set of warnings for the tree; -Wconversion for all but the tests (see _hg_setup), without the sign: sizes, offsets and differences meet
# in every parser, and a cast at each of them hides more than it shows.
set(HG_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wwrite-strings -Wformat=2 -Wcast-qual -Wpointer-arith -Wswitch-enum -Wundef
    -Wvla -fno-common $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wold-style-definition>)
if(HG_WERROR)
  list(APPEND HG_WARNINGS -Werror)
endif()
add_compile_options(-fno-strict-aliasing -fstack-protector-strong -ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)
if(HG_DEBUG)
  add_compile_definitions(HG_DEBUG=1)
endif()
if(HG_SANITIZE)
  add_compile_options(-fsanitize=${HG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HG_SANITIZE})
else()
  add_link_options(-pie -Wl,-z,relro,-z,now)
  if(CMAKE_BUILD_TYPE MATCHES Rel)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
endif()
