# The benchmarks' programs, and a tiny run of each benchmark as a test that it works; what it measures means nothing then.
if(TARGET otad AND NOT OTAD_SANITIZE)
  add_executable(bench_load bench/load.cpp bench/mqtt_line.cpp)
  target_link_libraries(bench_load PRIVATE ota_flags fmt::fmt)
  add_executable(bench_echo bench/echo.cpp)
  target_link_libraries(bench_echo PRIVATE ota_mqtt fmt::fmt)
  add_executable(bench_fleet_cost bench/fleet_cost.cpp)
  target_include_directories(bench_fleet_cost PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(bench_fleet_cost PRIVATE ota_engine SQLiteCpp sqlite3 GTest::gtest fmt::fmt)

  find_program(OTAD_BENCH_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
  foreach(bench events messages scale fleet connections upload operators network chunks ddi)
    add_test(NAME bench.${bench}
      COMMAND ${OTAD_BENCH_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/bench/${bench}.py --quick)
    set_tests_properties(bench.${bench} PROPERTIES LABELS bench TIMEOUT 360
      ENVIRONMENT "OTAD_BIN=$<TARGET_FILE:otad>")
  endforeach()
  add_test(NAME bench.fleet_cost COMMAND bench_fleet_cost 100 1000)
  set_tests_properties(bench.fleet_cost PROPERTIES LABELS bench TIMEOUT 360)
  # Debian's package starts a server: nothing to install for a test.
  set_tests_properties(bench.chunks PROPERTIES SKIP_REGULAR_EXPRESSION "nginx is missing")
endif()
