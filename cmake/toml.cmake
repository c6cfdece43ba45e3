# headgate-toml.so (iggy/config/toml_abi.h), beside the programs: toml++ is all header, so it needs the C++ library alone.
find_path(TOMLPP_INCLUDE toml++/toml.h REQUIRED)
add_library(headgate-toml MODULE modules/toml/toml.cc)
set_target_properties(headgate-toml PROPERTIES PREFIX "" CXX_STANDARD 20 CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(root ${CMAKE_BINARY_DIR}/inc/headgate-toml)
file(MAKE_DIRECTORY ${root}/iggy/config)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/iggy/config/toml_abi.h ${root}/iggy/config/toml_abi.h SYMBOLIC)
target_include_directories(headgate-toml PRIVATE ${root})
target_include_directories(headgate-toml SYSTEM PRIVATE ${TOMLPP_INCLUDE})
target_compile_options(headgate-toml PRIVATE ${HG_WARNINGS} -fno-exceptions)
add_dependencies(hg_iggy_config headgate-toml)
if(NOT HG_SANITIZE AND NOT HG_FUZZ) # so that all of it goes when the module is closed, which the shared C++ library never does
  target_link_options(headgate-toml PRIVATE -static-libstdc++ -static-libgcc -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/toml.map)
  set_target_properties(headgate-toml PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/toml.map)
endif()
install(TARGETS headgate-toml LIBRARY DESTINATION lib/headgate) # where base/library.c looks
