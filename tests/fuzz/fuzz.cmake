# Every target runs over its corpus with the other tests; with the preset "fuzz", libFuzzer drives the same targets.
set(fuzz_targets device_message device_topic device_http device_latest download http_request http_range http_query http_host operator_body
  operator_query events event_stream server_message ddi_body settings values)
set(fuzz_sources fuzz/device_targets.cpp fuzz/http_targets.cpp fuzz/operator_targets.cpp fuzz/agent_targets.cpp
  fuzz/ddi_targets.cpp fuzz/otactl_targets.cpp)
if(OTAD_SANITIZE STREQUAL "fuzz")
  add_executable(fuzz ${fuzz_sources} fuzz/libfuzzer.cpp)
  target_link_options(fuzz PRIVATE -fsanitize=fuzzer)
else()
  add_executable(fuzz ${fuzz_sources} fuzz/replay.cpp)
  foreach(target ${fuzz_targets})
    add_test(NAME fuzz.${target} COMMAND fuzz ${target} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${target})
    set_tests_properties(fuzz.${target} PROPERTIES TIMEOUT 120)
  endforeach()
endif()
target_include_directories(fuzz PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(fuzz PRIVATE ota_device ota_ddi ota_rest ota_agent ota_otactl nlohmann_json::nlohmann_json fmt::fmt)
