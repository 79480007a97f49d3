# SPDX-License-Identifier: Apache-2.0
# -DSPK_FUZZ=ON with clang: each tests/fuzz/fuzz_*.c becomes a libFuzzer program, linked to the objects of all rooms,
# which are then built with coverage, address and undefined behaviour sanitizers too. Without it, each fuzzer is linked
# to tests/fuzz/replay.c, which runs the committed corpus through it as an ordinary test.
file(GLOB fuzzers CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
foreach(source IN LISTS fuzzers)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" short ${name})
  if(SPK_FUZZ)
    add_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE ${SPK_TOP} Threads::Threads m)
  elseif(SPK_TESTS AND EXISTS ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    add_executable(replay_${short} ${source} tests/fuzz/replay.c)
    target_link_libraries(replay_${short} PRIVATE ${SPK_TOP} Threads::Threads m)
    add_test(NAME replay_${short} COMMAND replay_${short} tests/fuzz/corpus/${short}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(replay_${short} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
  endif()
endforeach()
